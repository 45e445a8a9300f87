#!/bin/sh
# rustdoc, with its output in JSON allowed. The variable is set here and not for cargo, which would build the dependencies again.
RUSTC_BOOTSTRAP=1 exec rustdoc "$@"
