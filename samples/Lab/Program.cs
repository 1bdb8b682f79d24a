using Dma.Lab;

return DmaCommand.Invoke(args, Terminal.OfProcess());
