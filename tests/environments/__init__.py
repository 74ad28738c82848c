from tests.hosts import import_quietly

import_quietly("procgen")
