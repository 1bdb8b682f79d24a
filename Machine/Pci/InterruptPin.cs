namespace Dma.Machine;

/// <summary>The INTx pin of a function: what it wants, and what the line that it is wired to sees (PCI Express base, 2.2.8.1).</summary>
internal sealed class InterruptPin(PciFunction function)
{
    private PciHost? _host;
    private int _line;

    /// <summary>Whether the device wants its interrupt, whatever the registers say.</summary>
    public bool IsWanted { get; set; }

    /// <summary>Drives the line, or lets it go, as wish, registers and place have it now.</summary>
    public void Refresh()
    {
        int pin = (int)function.Configuration.Read(PciOffset.InterruptPin, 1);
        bool isDriven = IsWanted && pin != 0 && !function.SendsMessages
            && (function.Command & PciCommand.InterruptDisable) == 0
            && function.Bus is { Host: not null, IsHeldInReset: false };
        PciHost? host = isDriven ? function.Bus!.Host : null;
        int line = isDriven ? function.Bus!.LineOf(pin, function.DeviceFunction >> 3) : 0;
        if (host == _host && line == _line)
            return;
        (PciHost? before, int lineBefore) = (_host, _line);
        (_host, _line) = (host, line);
        before?.ReleaseLine(lineBefore);
        host?.DriveLine(line);
    }
}
