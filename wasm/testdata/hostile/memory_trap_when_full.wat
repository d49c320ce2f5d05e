;; end: trap|deadline
;; Each call costs the host a memory of sixteen megabytes.
(module (memory 256)
  (func (export "f") (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x1000000)) unreachable))
