from . import directmail_fatigue
