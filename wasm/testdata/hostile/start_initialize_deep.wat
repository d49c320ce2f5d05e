;; load: stack overflow
(module (func $s (export "_initialize") (call $s) (call $s)) (func (export "f")))
