;; end: deadline
(module (func (export "f") (local $x f64) (local.set $x (f64.const 0x1p-1060))
  (loop $l (local.set $x (f64.mul (f64.sqrt (local.get $x)) (f64.const 0x1p-530))) (br $l))))
