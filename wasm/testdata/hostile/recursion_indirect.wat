;; end: stack
(module (type $t (func (param i32) (result i32))) (table 2 2 funcref) (elem (i32.const 0) $g $h)
  (func $g (param i32) (result i32) (i32.add (i32.const 1) (call_indirect (type $t) (local.get 0) (i32.const 1))))
  (func $h (param i32) (result i32) (i32.add (i32.const 1) (call_indirect (type $t) (local.get 0) (i32.const 0))))
  (func (export "f") (result i32) (call $g (i32.const 0))))
