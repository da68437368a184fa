"""Networks that come with netdsl; each file opens with the paper that it follows."""
