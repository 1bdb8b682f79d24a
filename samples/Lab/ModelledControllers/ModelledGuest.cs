using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>What one VM does with the controller that a process in a service VM models for it: it reads its disk over and over.</summary>
/// <param name="machine">The computer.</param>
/// <param name="number">Which VM.</param>
/// <param name="content">What its disk holds.</param>
internal sealed class ModelledGuest(ServiceMachine machine, int number, byte[] content)
{
    /// <summary>Bytes in each read.</summary>
    public const int ReadBytes = 16 * 1024;

    private readonly byte[] _found = new byte[ReadBytes];
    private IUsbHostController? _usb;
    private MassStorageDriver? _disk;
    private MemoryBuffer? _buffer;
    private string _problem = "";
    private ulong _reads;
    private ulong _totalNs;
    private ulong _faults;
    private ulong _upcalls;
    private ulong _interrupts;
    private ulong _exits;

    /// <summary>Where its driver reads to.</summary>
    public GuestPhysicalAddress Buffer => _buffer!.Address;

    /// <summary>How many reads it made since <see cref="Begin"/>.</summary>
    public ulong Reads => _reads;

    private VirtualMachine Vm => machine.Guests[number];

    private MonitorCounts Counts => machine.Monitors[number].Counts;

    /// <summary>Starts its drivers, and reads once.</summary>
    /// <exception cref="DriverException">One does not start.</exception>
    public async Task Start()
    {
        _usb = await machine.StartGuest(number);
        _disk = await MassStorageDriver.Start(await UsbDeviceHandle.Enumerate(_usb, port: 1));
        _buffer = _usb.Memory.Allocate(ReadBytes);
        await ReadAt(0);
    }

    /// <summary>Counts from here on.</summary>
    public void Begin() =>
        (_reads, _totalNs, _faults, _upcalls, _interrupts, _exits) = (0, 0, Counts.Faults, Counts.Upcalls, Counts.Interrupts, Vm.Cpu.Processor.Meter[Cost.Exit]);

    /// <summary>Reads until it is told to stop, or its driver gives up.</summary>
    /// <param name="isOver">Whether it shall stop.</param>
    /// <param name="read">Told when each read began; null for nobody.</param>
    /// <returns>Whether it was told to stop.</returns>
    public async Task<bool> Read(Func<bool> isOver, Action<ulong>? read = null)
    {
        try
        {
            for (int at = 0; !isOver(); at = (at + ReadBytes) % content.Length)
            {
                ulong startNs = _usb!.Processor.NowNs;
                await ReadAt(at);
                (_reads, _totalNs) = (_reads + 1, _totalNs + _usb.Processor.NowNs - startNs);
                read?.Invoke(startNs);
            }

            return true;
        }
        catch (DriverException)
        {
            return false;
        }
    }

    /// <summary>Reads a register of the controller, and nothing else.</summary>
    public void Touch()
    {
        const uint MemoryMask = ~0xFu;
        uint registers = Vm.Pci.ReadConfiguration(RunningService.ModelPlace, PciOffset.Bar0, sizeof(uint)) & MemoryMask;
        _ = Vm.Cpu.Load(new(registers), sizeof(uint));
    }

    /// <summary>Lets go of its controller.</summary>
    public ValueTask Stop() => _usb!.Stop();

    /// <summary>Whether all it read was right.</summary>
    public bool IsRight => _problem.Length == 0;

    /// <summary>What it did.</summary>
    public ModelledSummary Sum()
    {
        double reads = Math.Max(1, _reads);
        return new(
            Vm.Name,
            _problem,
            _reads,
            _reads * ReadBytes,
            _reads == 0 ? 0 : _totalNs / _reads,
            (Vm.Cpu.Processor.Meter[Cost.Exit] - _exits) / reads,
            (Counts.Upcalls - _upcalls) / reads,
            (Counts.Interrupts - _interrupts) / reads,
            _faults,
            Counts.Faults - _faults,
            machine.Service.WindowOf(Vm).Shown);
    }

    private async Task ReadAt(int at)
    {
        await _disk!.Read((ulong)(at / _disk.BlockBytes), _buffer!);
        _buffer!.Read(0, _found);
        if (!_found.AsSpan().SequenceEqual(content.AsSpan(at, ReadBytes)))
            _problem = "read what is not on its disk";
    }
}
