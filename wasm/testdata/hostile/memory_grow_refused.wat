;; end: deadline
(module (memory 1)
  (func (export "f") (loop $l (drop (memory.grow (i32.const 65536))) (br $l))))
