;; end: deadline
(module (func (export "f") (local $x f64) (local.set $x (f64.const 0x1.23456p-1040))
  (loop $l (local.set $x (f64.div (f64.div (local.get $x) (f64.const 0x1.0000000000001p-3)) (f64.const 0x1.0000000000001p3))) (br $l))))
