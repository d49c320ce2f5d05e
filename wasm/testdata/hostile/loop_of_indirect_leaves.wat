;; end: deadline
(module (type $t (func)) (table 1 1 funcref) (elem (i32.const 0) $leaf)
  (func $leaf)
  (func (export "f") (loop $l (call_indirect (type $t) (i32.const 0)) (br $l))))
