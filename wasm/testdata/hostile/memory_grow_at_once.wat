;; end: trap|deadline
(module (memory 0)
  (func (export "f") (local $i i32)
    (drop (memory.grow (i32.const 256)))
    (loop $touch
      (i32.store8 (local.get $i) (i32.const 1))
      (local.set $i (i32.add (local.get $i) (i32.const 4096)))
      (br $touch))))
