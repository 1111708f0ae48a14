"""What holds for the whole process of the tests."""

import os

# Ray remembers for as long as the process lives whether its clusters ask for a token, and a local one does by default:
# it would write a token into the home directory, and the nodes of a later cluster without tokens would not be trusted.
os.environ["RAY_AUTH_MODE"] = "disabled"
