;; end: trap
;; The trace of the trap is as deep as the stack may be.
(module (func $f (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then unreachable))
    (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1)))))
  (func (export "f") (result i32) (call $f (i32.const 1500))))
