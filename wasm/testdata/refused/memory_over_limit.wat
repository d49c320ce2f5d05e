;; error: pages of 64 KiB at the start, at most 256 are allowed
(module (memory 65536) (func (export "f")))
