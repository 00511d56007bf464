from . import directmail_home, directmail_home_steps
