// Package reserve makes the memories of guests: each one reservation of address space, as large as the guest's memory may
// ever be, where pages cost nothing until they are touched.
//
// # Why
//
// The engine's own memories are slices of the Go heap. Growth copies them, so that a guest of 16 MiB takes 36 for a moment;
// a new one is made zero byte by byte, touched or not; and the garbage collector counts them. A reservation grows in place,
// and ends where the grant ends.
//
// # The story
//
// A [Pool] belongs to one plugin: its memories have one size. [Pool.Lease] takes a reservation, or says why there is none,
// before the engine starts anything: the engine has no way to be told, and panics. A [Lease] is the allocator of one
// instantiation:
//
//	lease, err := pool.Lease()
//	...
//	mod, err := runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, lease), code, config)
//	...
//	mod.Close(ctx)
//	lease.Release() // also when instantiating failed or panicked
//
// Release is ours and not the engine's Free, which does nothing here. The engine frees too early: an exit or a deadline
// does it while the guest's call is under way, and Close does it whoever runs. And it frees not at all when a start section
// traps, when a data segment lies outside, or when a deadline and a trap meet. Who owns the instance knows when nobody
// reads its memory any more.
//
// Memory is made zero, or what the image has, when it is released, not when it is leased: on Linux only the pages that the kernel says were touched
// (/proc/self/pagemap, tried once before it is believed), elsewhere all of a small memory. It then waits in the pool, with
// its pages: a fresh page costs fifty times what it costs to clear one. A memory that is large, or of which much was
// touched, is unmapped instead, piece by piece. What waits is bounded in number and in bytes, see idleBytes.
//
// # Images
//
// Memories start as zeros, or with the [Image] that the pool was told to use: what a module's data segments say ([Lay]), or
// what a guest had after it started ([Lease.Capture]). On Linux an image of 64 KiB and more is a sealed file without a name
// (memfd), which memories map privately: they share its pages until they write to them. Smaller ones are copied, and all of
// them where there is no such file. An image keeps blocks of 4 KiB that are not zero, so at most what one memory had; a pool
// has one, and beside it the one before until it ends, if that was mapped.
//
// [Lease.Reset] makes a memory as it was at first, by restoring the pages of its own that pagemap tells; a kernel that does
// not tell those from the file's has more restored than need be. It cannot undo growth, which the engine cannot either.
//
// There are no guard pages: the engine checks bounds, and each would cost a third of a new memory, and two of the 65,530
// mappings that Linux gives to a process. Without them neighbours share one. Huge pages are refused: one of them is 2 MiB
// of a guest that touches 8 KiB. The price is paid by a guest that touches much for the first time, page by page.
//
// # Platforms
//
// Linux and macOS reserve; 32-bit ones up to 64 MiB for each memory, since address space is scarce there. Elsewhere, and
// beyond that, memories are slices that grow by copying, with the same limit. Where Linux commits strictly
// (vm.overcommit_memory=2) a reservation counts as if it were touched.
//
// # What it may import
//
// The standard library, golang.org/x/sys and the interface of wazero's allocators.
//
// # How it lives and dies
//
// A Pool has no goroutine and, on Linux, at most one open file, and one for its image. Trim gives back what waits. Discard ends the pool: what
// waits is unmapped at once, and what is leased when it is released; with the last of them the image ends.
package reserve
