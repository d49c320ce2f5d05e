package wasm

// recipe is the digest of the sources that decide what becomes of a module before it is compiled: the gate, the meter, the
// husk, the images of memories, and inspect.go, prepared.go and jail_child.go. What was kept by a build with another recipe is not looked at. TestRecipe says when
// it is to be changed, and to what.
const recipe = "feed47f0ba48c46d"
