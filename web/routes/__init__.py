"""One module for each part of the site; a route is access, one question or change, one template."""
