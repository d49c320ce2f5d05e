;; end: deadline
(module (func (export "f") (local $x f64) (local $n i64) (local.set $x (f64.const 0x1p63))
  (loop $l
    (local.set $n (i64.add (local.get $n) (i64.trunc_sat_f64_u (local.get $x))))
    (local.set $x (f64.add (f64.convert_i64_u (local.get $n)) (f64.nearest (f64.min (local.get $x) (f64.const nan)))))
    (br $l))))
