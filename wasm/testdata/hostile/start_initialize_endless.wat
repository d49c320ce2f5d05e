;; load: start took longer
(module (func (export "_initialize") (loop $l (br $l))) (func (export "f")))
