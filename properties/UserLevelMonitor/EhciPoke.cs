using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Software of a guest that writes registers of its EHCI controller without asking the driver (EHCI 1.0, operational registers).</summary>
internal sealed class EhciPoke
{
    private const int Command = 0x00;
    private const int Status = 0x04;
    private const int AsyncListAddress = 0x18;
    private const uint HostControllerReset = 1 << 1;
    private const uint Halted = 1 << 12;
    private const uint NoMemory = 0xF000_0000;
    private const ulong PollNs = 1_000;

    private readonly GuestCpu _cpu;
    private readonly GuestPhysicalAddress _operational;

    /// <summary>Finds the registers.</summary>
    public EhciPoke(GuestCpu cpu, IConfigurationAccess function)
    {
        _cpu = cpu;
        GuestPhysicalAddress registers = new(function.Read32(PciOffset.Bar0) & ~0xFu);
        _operational = registers + cpu.Load(registers, sizeof(byte));
    }

    /// <summary>Resets the controller as it is, and waits until it says that it is done.</summary>
    public async Task Reset()
    {
        Write(Command, HostControllerReset);
        while ((Read(Command) & HostControllerReset) != 0)
            await _cpu.Processor.Delay(PollNs);
    }

    /// <summary>Lets its asynchronous list lead where no memory is, and waits until it finds out.</summary>
    public async Task Derail()
    {
        while ((Read(Status) & Halted) == 0)
        {
            Write(AsyncListAddress, NoMemory);
            await _cpu.Processor.Delay(PollNs);
        }
    }

    private uint Read(int offset) => (uint)_cpu.Load(_operational + (ulong)offset, sizeof(uint));

    private void Write(int offset, uint value) => _cpu.Store(_operational + (ulong)offset, sizeof(uint), value);
}
