;; end: stack
(module
  (func $f (export "f") (result i32) (i32.add (i32.const 1) (call $g (i32.const 1))))
  (func $g (param i32) (result i32) (i32.mul (local.get 0) (call $f))))
