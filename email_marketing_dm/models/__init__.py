# The models below inherit from these, so they come first.
from . import mixins

# In the order of the flow: see docs/architecture.md.
from . import key
from . import account
from . import data_table
from . import audience
from . import segmentation
from . import template
from . import task
from . import series
from . import delivery
from . import fatigue
from . import control
from . import consent
from . import upload
from . import home
from . import odoo
