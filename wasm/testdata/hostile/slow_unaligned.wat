;; end: deadline
;; Each access crosses two pages, and reads what was just written in another place.
(module (memory 256)
  (func (export "f") (local $p i32)
    (loop $l
      (i64.store (i32.add (local.get $p) (i32.const 4089)) (i64.load (i32.add (local.get $p) (i32.const 4092))))
      (i64.store (i32.add (local.get $p) (i32.const 4094)) (i64.load (i32.add (local.get $p) (i32.const 4090))))
      (local.set $p (i32.and (i32.add (local.get $p) (i32.const 0x1000)) (i32.const 0xfef000)))
      (br $l))))
