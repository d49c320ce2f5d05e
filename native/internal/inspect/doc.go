// Package inspect says what a .so is without opening it: ELF header, libc, Go
// build info, plugin path and the fingerprint of every package in it. It
// compares that with the running host and names every difference for which
// plugin.Open would refuse the file or end the process.
//
// # What plugin.Open compares
//
// Found by building plugins with one flag changed and opening them in a small
// host (go1.26, linux/amd64, glibc); TestOpen repeats the cheap half of it.
//
// dlopen comes first: class, machine, libc, needed libraries and versions of
// libc's symbols. A truncated file may pass its checks and end the process with
// SIGBUS. A file that dlopen takes but that is no Go plugin (C, -buildmode=
// c-shared) ends the process: "fatal error: runtime: no plugin module data".
//
// Then the runtime compares one 8-byte fingerprint per package. The linker
// writes it into the plugin, and once more, on both sides, as the dynamic symbol
// "go:link.pkghashbytes." + import path, which -s -w leaves in place; an
// executable has it only if it imports plugin.
// So the comparison can be made here exactly. The fingerprint is the hash of the
// package's export data: exported API, inlinable bodies, and source positions
// with their file names, which hold module@version. Packages that only one side
// has are not compared. Hence
//
//   - refused: -trimpath on one side only, -race, GOEXPERIMENT, -gcflags=all=...
//     (not for the plugin's own package), another version of a shared package's
//     module, a replaced module whose sources differ;
//   - accepted: -s, -w, -X, -compressdwarf, build tags that leave shared packages
//     alone, -buildvcs, -cover, -pgo, GODEBUG, CGO_CFLAGS, vendoring, another
//     main module, another go directive, a replaced module with the same
//     sources, a higher GOAMD64 (it dies of SIGILL if the CPU is too old);
//   - ended: -asan ("ASan runtime does not come first"). It is not a refusal: the
//     host is gone.
//
// Another Go version is always named as a difference. Its packages would nearly
// always differ, and where they do not, the layout of the runtime's own tables
// is still not compared by anyone.
//
// # What stays behind
//
// The file is mapped with RTLD_GLOBAL and never unmapped. What it brought counts
// for whoever comes later, even when it was refused: a package of it that the
// host does not have must then match in every further plugin. [Host.With] adds
// that to the comparison. A second file with the plugin path of the first is
// refused ("plugin already loaded"), however much it differs.
//
// # The plugin path
//
// It is the import path of the main package, or plugin/unnamed-<sha1> if the
// plugin was built from a list of files. Exported symbols are named
// <escaped path>.<Name> in the dynamic symbol table, where the escape turns a
// dot behind the last slash into %2e; fingerprints carry the path unescaped. The
// runtime has it in moduledata.pluginpath, which only relocations lead to; here
// it is the build info's path when a fingerprint of that name exists, else the
// plugin/unnamed- fingerprint. -ldflags=-pluginpath=x renames the fingerprint
// but not the symbols: plugin.Open cannot find them, and says so only after
// running the plugin's init functions.
//
// # What it may import
//
// The standard library, without the plugin package.
//
// # How it lives and dies
//
// It holds nothing: [Read] and [Self] open, read, close. Both are safe on any
// input: sizes are checked against the file before anything is allocated, and
// the tables read are bounded.
package inspect
