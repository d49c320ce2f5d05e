// Compare benches a reference of this repository and the tree as it is, in turns, and fails where the
// tree is slower than the reference, or allocates more, by more than a bound.
//
// The reference is checked out as a git worktree below the folder for results, and goes when it is
// done. Both are built once. Then their benchmarks take turns, one short run of each after the other,
// so that what else the machine does hits both; benchstat judges. Benchmarks that only one of the two
// has are not compared. `make bench-compare REF=...` runs it, in the root of the repository.
package main
