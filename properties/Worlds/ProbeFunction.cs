using Dma.Machine;

namespace Dma.Properties;

/// <summary>A PCI function that does nothing by itself: everything that a device may do is open to the test.</summary>
internal sealed class ProbeFunction : PciFunction
{
    private readonly Dictionary<(int Bar, ulong Offset), byte> _registers = [];

    public ProbeFunction(ushort deviceId = 0x1234)
        : base(Identity with { DeviceId = deviceId })
    {
    }

    public static PciIdentity Identity { get; } = new(0x8086, 0x1234, 0x0C0320, Revision: 7, SubsystemVendorId: 0x1AF4, SubsystemId: 0x1100);

    /// <summary>How often the device was told to reset.</summary>
    public int Resets { get; private set; }

    /// <summary>Writes to registers of its own.</summary>
    public List<RegisterWrite> OwnWrites { get; } = [];

    public IDmaPort Port => Dma;

    public ProbeFunction WithBar(int index, ulong size, bool is64Bit = false, bool prefetchable = false)
    {
        AddMemoryBar(index, size, is64Bit, prefetchable);
        return this;
    }

    public ProbeFunction With(PciCapability capability, int offset = 0)
    {
        _ = AddCapability(capability, offset);
        return this;
    }

    public ProbeFunction WithPin(int pin)
    {
        AddInterruptPin(pin);
        return this;
    }

    public ProbeFunction WithRegister(Register register)
    {
        AddRegister(register);
        return this;
    }

    /// <summary>A port whose requests name another requester.</summary>
    public IDmaPort Forge(SourceId claimed) => OpenForged(claimed);

    public void Raise(int vector) => RaiseInterrupt(vector);

    public void Want(bool interrupt) => SetInterruptLevel(interrupt);

    public override ulong ReadBar(int bar, ulong offset, int width)
    {
        ulong value = 0;
        for (int at = width - 1; at >= 0; at--)
            value = (value << 8) | _registers.GetValueOrDefault((bar, offset + (ulong)at));
        return value;
    }

    public override void WriteBar(int bar, ulong offset, int width, ulong value)
    {
        for (int at = 0; at < width; at++)
            _registers[(bar, offset + (ulong)at)] = (byte)(value >> (8 * at));
    }

    protected override void ConfigurationWritten(in RegisterWrite write) => OwnWrites.Add(write);

    protected override void OnReset()
    {
        Resets++;
        _registers.Clear();
    }
}
