;; end: deadline
(module (memory 256)
  (func (export "f") (loop $l (memory.fill (i32.const 0) (i32.const 7) (i32.const 0x1000000)) (br $l))))
