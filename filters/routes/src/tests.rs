mod hosts;
mod index;
