// Package archive turns an untrusted zip file into a folder.
//
// It imports the standard library only, and reads the zip format itself: what a directory says and
// what the entries say must agree to the byte, because two readers that see two different archives
// in one file is how checks are passed by. From archive/zip it takes the error that clients know.
//
// What it promises:
//
//   - [List] judges every entry before [Extract] writes anything. A bad entry is refused, never
//     skipped, and one error names every bad entry and the reason.
//   - Nothing is written outside the [os.Root] that the caller gives, and nothing in it is
//     overwritten: the folder must be empty and files are created exclusively.
//   - Only folders (0755) and regular files (0644, or 0755 with any executable bit) come into
//     being, under names that mean the same on every file system.
//   - Memory and time are bounded by [Limits] and by the size of the archive, never by counts and
//     sizes that it declares. The bytes that come out are counted and must be those declared.
//   - After a success everything is synced to the disk, files before folders.
//
// After an error the folder holds an unfinished result; the caller deletes it. What is accepted on
// purpose: bytes before, between and after the parts of the archive, as long as its directory can be
// found in one way only, and "__MACOSX" folders, which are folders like any other.
package archive
