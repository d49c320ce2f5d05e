;; load: stack overflow
(module (func $s (call $s) (call $s)) (start $s) (func (export "f")))
