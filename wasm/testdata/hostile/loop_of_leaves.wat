;; end: deadline
;; The called function is too small to pay itself.
(module
  (func $leaf (param i64) (result i64) (i64.div_u (i64.const -1) (local.get 0)))
  (func (export "f") (local $x i64) (local.set $x (i64.const 3))
    (loop $l (local.set $x (i64.or (i64.const 1) (call $leaf (local.get $x)))) (br $l))))
