"""What people write: one value, and the end."""

import sys

import glassdome

sys.stdout.write(glassdome.get(sys.argv[1]))
