alter table job drop column tenant;
