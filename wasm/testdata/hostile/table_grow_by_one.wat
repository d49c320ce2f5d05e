;; end: deadline
(module (table 0 funcref)
  (func (export "f") (loop $l (drop (table.grow (ref.null func) (i32.const 1))) (br $l))))
