;; end: deadline
(module (func (export "f") (local $x i64) (local.set $x (i64.const -1))
  (loop $l
    (local.set $x (i64.or (i64.div_u (i64.const -1) (i64.or (i64.const 1) (i64.rem_s (i64.const 0x7fffffffffffffff) (local.get $x)))) (i64.const 1)))
    (br $l))))
