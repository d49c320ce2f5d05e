// Package child is one operating-system process of a plugin, from its fork to
// the end of its last descendant, and what it printed.
//
// # The story
//
// A [Spawner] owns one locked operating-system thread, and every child is forked
// there: the kernel kills a child when the thread that forked it ends, so this
// thread must live as long as the host does and no longer. Where the host may,
// the thread also has a mount namespace of its own. To start a child with a
// private /tmp it binds the folder over /tmp, forks the child into new mount and
// PID namespaces, which are copies of what the thread sees at that moment, and
// takes the folder away again. Nothing is executed in between: no helper, no
// second start of our own binary. The other threads of the host, and so all its
// files, stay where they are.
//
// What the machine permits is tried once, by NewSpawner, with the very calls that
// a start makes, and told as a [Level]:
//
//	namespaces  private /tmp; the child is pid 1 of a PID namespace: when it
//	            ends, or the host does, the kernel kills whatever it has started
//	pids        the same, but everybody's /tmp
//	process     a session and a process group, everybody's /tmp
//
// [Process.Done] is closed when the process has been waited for, its descendants
// have been killed and all that they printed has been handed on. A [Log] keeps
// the end of that in memory, bounded, and a copy in a few files.
//
// A child gets the environment, the files and the folder of its [Spec] and nothing
// else: on Linux each start marks all files of the host as not to be inherited,
// those too that the host was started with.
//
// # What each level promises
//
// When a child ends, is stopped or is killed, its descendants are killed: by the
// kernel on the first two levels, on "process" by a search through /proc (process
// group, session, parents, and a variable in the environment that is inherited,
// [EnvMark]). A descendant that left its session, lost its parent and changed its
// environment is not found there, nor is one that runs as another user.
//
// When the host is killed by SIGKILL the kernel kills the children on every level,
// at whatever instant of a start that happens; descendants of children only on the
// first two. Unixes that are not Linux have neither: there a child that reads or
// writes what it shares with the host finds it closed.
//
// A pid 1 ignores signals that it has no handler for, unless they come from
// outside of its namespace and are SIGKILL or SIGSTOP: [Process.Stop] makes up for
// that. It is also the parent of orphans, and one that does not wait for them
// keeps zombies until it ends. /proc is the host's: /proc/self is right, but
// /proc/<getpid()> is another process; mounting a fresh one needs a helper inside
// of the namespace. A child that runs as root can undo its private /tmp for
// itself.
//
// # What it may import
//
// The standard library and golang.org/x/sys.
//
// # How it lives and dies
//
// NewSpawner starts the thread. Each process has two goroutines, which end before
// Done is closed, and no thread. Close kills what still runs, waits for it, and
// ends the thread, and with it what a context that ended early has left.
package child
