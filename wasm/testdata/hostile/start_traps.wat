;; load: unreachable
(module (memory 256) (func $s (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x1000000)) unreachable) (start $s) (func (export "f")))
