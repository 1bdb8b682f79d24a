using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>QEMU's remapping unit, and two <c>edu</c> devices that do the DMA.</summary>
/// <remarks>
/// Before each DMA the root table is set anew, which makes QEMU forget all that it cached: it answers from the tables
/// as they are, and is the one to tell what is binding. What a device read cannot be seen from outside; the device
/// carries it into memory under a root table of our own, and then gets the program's back.
/// </remarks>
internal sealed class QemuMachine : IDifferentialMachine, IDisposable
{
    private const ulong Unit = 0xFED9_0000;
    private const ulong FirstBar = 0xFE00_0000;
    private const uint Identification = 0x0100_00ED;
    private const ushort ConfigurationAddress = 0xCF8;
    private const ushort ConfigurationData = 0xCFC;
    private const ushort ResetControl = 0xCF9;

    // The buffer of the device: reads come into the lower half, writes go out of the upper one.
    private const ulong ReadBuffer = 0x40000;
    private const ulong WriteBuffer = ReadBuffer + 2048;
    private const uint FromMemory = 1;
    private const uint ToMemory = 3;

    // Out of reach of programs: root table, context table, two levels of tables that map 2 MiB to itself, and a buffer in it.
    private const ulong CourierRoot = 0x7F_0000;
    private const ulong CourierContext = 0x7F_1000;
    private const ulong CourierTop = 0x7F_2000;
    private const ulong CourierMiddle = 0x7F_3000;
    private const ulong CourierPage = 0x60_0000;
    private const ulong CourierBuffer = 0x7E_0000;

    // How often a device is asked whether it is done, before that counts as an error.
    private const int PollsMax = 1_000_000;

    private readonly QemuProcess _process;
    private readonly PhysicalMemory _memory = new();
    private ulong _root;

    public QemuMachine(string unitProperties)
    {
        _process = new(unitProperties, Ground.MemoryBytes);
        _memory.AddFile(new(0), Ground.MemoryBytes, _process.MemoryPath);
        SetUpDevices();
        Assert.True(_memory.TryWrite(new PhysicalAddress(CourierBuffer), WritePattern.Bytes));
        for (int device = 0; device < Ground.Devices.Length; device++)
            Transfer(device, CourierBuffer, WriteBuffer, WritePattern.Length, FromMemory);
    }

    public PhysicalMemory Memory
    {
        get
        {
            Qtest.Settle();
            return _memory;
        }
    }

    private QtestLink Qtest => _process.Qtest;

    public void Dispose()
    {
        _process.Dispose();
        _memory.Dispose();
    }

    public void Reset()
    {
        Qtest.Out(ResetControl, 1, 6);
        for (int polls = 0; Qtest.Read(Bar(0), 4) == Identification; polls++)
            Assert.True(polls < PollsMax, "QEMU does not reset.");
        _root = 0;
        SetUpDevices();
        Ground.Restore(Memory);
        SetUpCourier();
    }

    public void Put(ulong address, ulong value) => Assert.True(Memory.TryWrite(new PhysicalAddress(address), value));

    public ulong[] ReadRegisters(params (int Offset, int Width)[] registers) =>
        Qtest.Read([.. registers.Select(register => (Unit + (ulong)register.Offset, register.Width))]);

    public void WriteRegister(int offset, int width, ulong value)
    {
        if (offset == RegisterOffsets.GlobalCommand && new GlobalCommand(new(value)).SetRootTablePointer)
            _root = Register(RegisterOffsets.RootTableAddress, 8);
        Qtest.Write(Unit + (ulong)offset, width, value);
    }

    public void Read(int device, ulong address, Span<byte> destination)
    {
        Forget();
        int length = destination.Length;
        Transfer(device, address, ReadBuffer, length, FromMemory);
        Under(CourierRoot, () => Transfer(device, ReadBuffer, CourierBuffer, length, ToMemory));
        Assert.True(Memory.TryRead(new PhysicalAddress(CourierBuffer), destination));
    }

    public void Write(int device, ulong address, int patternOffset, int length)
    {
        Forget();
        Transfer(device, WriteBuffer + (ulong)patternOffset, address, length, ToMemory);
    }

    private static ulong Bar(int device) => FirstBar + ((ulong)device << 20);

    private void SetUpDevices()
    {
        for (int device = 0; device < Ground.Devices.Length; device++)
        {
            Configure(device, 0x10, 4, (uint)Bar(device));
            Configure(device, 0x04, 2, 0x0006);
        }

        Assert.Equal(Identification, Qtest.Read(Bar(0), 4));
    }

    private void Configure(int device, int offset, int width, uint value)
    {
        Qtest.Out(ConfigurationAddress, 4, 0x8000_0000 | ((uint)Ground.Devices[device].Value << 8) | (uint)offset);
        Qtest.Out(ConfigurationData, width, value);
    }

    private void SetUpCourier()
    {
        _ = _memory.Clear(new(CourierRoot), 0x4000);
        Put(CourierRoot, CourierContext | 1);
        foreach (SourceId source in Ground.Devices)
        {
            ContextEntry context = new()
            {
                Present = true,
                SecondStageTable = new(CourierTop),
                AddressWidth = AddressWidth.Bits39,
                DomainId = new(0xFFFF),
            };
            Put(CourierContext + (16ul * source.DeviceFunction), context.Raw.Word0);
            Put(CourierContext + (16ul * source.DeviceFunction) + 8, context.Raw.Word1);
        }

        Put(CourierTop, CourierMiddle | 3);
        Put(Ground.Entry(CourierMiddle, 2, CourierPage), CourierPage | 0x83);
    }

    private ulong Register(int offset, int width) => Qtest.Read(Unit + (ulong)offset, width);

    private void Forget() => Under(_root, () => { });

    // Sets a root table for a while; without translation there is none to set.
    private void Under(ulong root, Action act)
    {
        GlobalStatus status = new(new(Register(RegisterOffsets.GlobalStatus, 4)));
        if (!status.TranslationEnabled)
        {
            act();
            return;
        }

        ulong shown = Register(RegisterOffsets.RootTableAddress, 8);
        SetRoot(root, status);
        act();
        if (root != _root)
            SetRoot(_root, status);
        Qtest.Write(Unit + RegisterOffsets.RootTableAddress, 8, shown);
    }

    private void SetRoot(ulong root, GlobalStatus status)
    {
        GlobalCommand command = new()
        {
            SetRootTablePointer = true,
            TranslationEnable = status.TranslationEnabled,
            QueuedInvalidationEnable = status.QueuedInvalidationEnabled,
            InterruptRemappingEnable = status.InterruptRemappingEnabled,
        };
        Qtest.Write(Unit + RegisterOffsets.RootTableAddress, 8, root);
        Qtest.Write(Unit + RegisterOffsets.GlobalCommand, 4, command.Raw.Value);
    }

    private void Transfer(int device, ulong source, ulong destination, int length, uint command)
    {
        ulong bar = Bar(device);
        Qtest.Write(bar + 0x80, 8, source);
        Qtest.Write(bar + 0x88, 8, destination);
        Qtest.Write(bar + 0x90, 8, (ulong)length);
        Qtest.Write(bar + 0x98, 8, command);
        for (int polls = 0; (Qtest.Read(bar + 0x98, 4) & 1) != 0; polls++)
            Assert.True(polls < PollsMax, "A transfer of the device does not end.");
    }
}
