// Package spawn runs our own binary once more, as a child that does not outlive us, and keeps what a child says.
//
// Some of what a host does with a plugin can end the process that does it, or hold it for ever. So a child does it:
// [Command] prepares one that sees nothing of our environment, and that is killed with its process group when a context
// ends. [Run] tells it what to do and waits for its end; [Start] does not wait.
//
// A child ends when its parent does, in two ways: it reads its standard input, which stays open until then ([EndWith]);
// and on Linux the kernel kills it, also when it never came to read.
//
// It imports the standard library and holds no state. A child has a goroutine, with a thread of its own, until its end.
package spawn
