#!/bin/sh
# The compiler as cargo's RUSTC_WRAPPER: our own crates get the flags of libFuzzer, and all others are built as always, so
# that they need not be built again. See xtask/src/fuzz/building.rs.
rustc=$1
shift
case " $* " in
  *" --crate-name landline"*) exec "$rustc" "$@" $LANDLINE_FUZZ_FLAGS ;;
  *) exec "$rustc" "$@" ;;
esac
