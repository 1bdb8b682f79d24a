using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A device with a register of each class, and a record of what reached it.</summary>
internal sealed class ClassDevice : PciFunction, IRegisterEffects
{
    public const int Plain = 0x00;
    public const int Order = 0x04;
    public const int Cause = 0x08;
    public const int Doorbell = 0x0C;
    public const int ZeroDoorbell = 0x10;
    public const int Pointer = 0x18;

    private readonly RegisterFile _file = new(4096,
    [
        new(Plain, 4, "PLAIN", new(0, uint.MaxValue)),
        new(Order, 4, "COMMAND", new(0, uint.MaxValue)),
        new(Cause, 4, "CAUSE", new(0, ClearOnOne: uint.MaxValue)),
        new(Doorbell, 4, "DOORBELL", new(0, uint.MaxValue, Unreadable: uint.MaxValue)),
        new(ZeroDoorbell, 4, "ZERODOORBELL", new(0, uint.MaxValue, Unreadable: uint.MaxValue)),
        new(Pointer, 8, "POINTER", new(0, ulong.MaxValue)),
    ]);

    public ClassDevice()
        : base(new(0x1234, 0x0001, 0xFF0000))
    {
        AddMemoryBar(0, 4096);
        _ = AddCapability(new MsiCapability());
    }

    /// <summary>Each write that reached it, in order: where, and the register afterwards or what a doorbell was rung with.</summary>
    public List<(int Offset, ulong Value)> Writes { get; } = [];

    /// <summary>The state that software can see the end of.</summary>
    public (ulong Plain, ulong Command, ulong Cause, ulong Pointer) State => (_file[Plain], _file[Order], _file[Cause], _file[Pointer]);

    public static PolledRegisterMap Map(bool isPointerWhole = false) => new(
    [
        new(Plain, 4, "PLAIN", RegisterClass.Plain),
        new(Pointer, isPointerWhole ? 8 : 4, "POINTER", RegisterClass.Plain),
        .. isPointerWhole ? Array.Empty<PolledCell>() : [new(Pointer + 4, 4, "POINTER (high)", RegisterClass.Plain)],
        new(Cause, 4, "CAUSE", RegisterClass.ClearOnOne),
        new(Order, 4, "COMMAND", RegisterClass.Command),
        new(Doorbell, 4, "DOORBELL", RegisterClass.Doorbell),
        new(ZeroDoorbell, 4, "ZERODOORBELL", RegisterClass.ZeroDoorbell),
    ]);

    /// <summary>Something happens in the device: a cause, and an interrupt that speaks of it.</summary>
    public void Happen(int bit)
    {
        Raise(bit);
        RaiseInterrupt();
    }

    /// <summary>A cause that does not interrupt.</summary>
    public void Raise(int bit) => _file[Cause] |= 1ul << bit;

    public override ulong ReadBar(int bar, ulong offset, int width) => _file.Read((int)offset, width);

    public override void WriteBar(int bar, ulong offset, int width, ulong value) => _file.Write((int)offset, width, value, this);

    public void Written(in RegisterWrite write) =>
        Writes.Add((write.Offset, write.Offset == Cause ? write.Written : write.After));

    protected override void OnReset() => _file.Reset();
}
