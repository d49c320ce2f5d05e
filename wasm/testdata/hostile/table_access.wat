;; end: deadline
(module (table 200000 funcref)
  (func (export "f") (local $i i32)
    (loop $l
      (local.set $i (i32.rem_u (i32.mul (i32.add (local.get $i) (i32.const 7919)) (i32.const 31)) (i32.const 200000)))
      (table.set (local.get $i) (ref.func 0))
      (drop (table.get (local.get $i)))
      (br $l)))
  (elem declare func 0))
