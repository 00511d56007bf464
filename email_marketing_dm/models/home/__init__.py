from . import directmail_home, directmail_home_reviews, directmail_home_steps, directmail_home_trial
