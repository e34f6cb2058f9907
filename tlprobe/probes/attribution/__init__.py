"""Attribution: parts of an image and what a network's answer owes to them."""
