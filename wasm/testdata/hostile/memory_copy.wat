;; end: deadline
(module (memory 256)
  (func (export "f") (loop $l (memory.copy (i32.const 1) (i32.const 0) (i32.const 0xffffff)) (br $l))))
