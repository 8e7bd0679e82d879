alter table job drop column worker_id;
drop table worker;
