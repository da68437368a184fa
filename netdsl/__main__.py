"""`python -m netdsl` is the command `netdsl`."""

from netdsl.main import main

main()
