using Dma.Devices;
using Dma.Iommu;

namespace Dma.Properties;

/// <summary>The device that tests remapping without a guest, each of its answers once.</summary>
public sealed class IommuTestDeviceTests : IDisposable
{
    private const ulong Target = 0x20_0000;

    private readonly EduWorld _world = new(HardwareProfile.Named("friendly"));
    private readonly ulong _base;

    public IommuTestDeviceTests()
    {
        IommuTestDevice device = _world.Machine.Plug(new IommuTestDevice(_world.Machine.Memory), 5);
        _world.Machine.PlaceBars();
        _base = device.DecodedAt(0)!.Value;
        Assert.Equal(0x0005_1B36u, _world.Machine.Pci.ReadConfiguration(device.Source, 0, 4));
    }

    public void Dispose() => _world.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(0x1003)]
    [InlineData(0x10_0000)]
    public void The_pattern_arrives_in_memory_and_nowhere_else(int length)
    {
        Assert.Equal(IommuTestResult.Success, Run(Target + 2, Target + 2, (uint)length));
        byte[] expected = [0, 0, .. Enumerable.Range(0, length).Select(at => (byte)(0x1234_5678u >> (8 * (at % 4)))), 0, 0];
        Assert.Equal(expected, _world.Memory(Target, length + 4));
    }

    [Fact]
    public void Each_mistake_has_a_result_of_its_own()
    {
        Assert.Equal(IommuTestResult.BadLength, Run(Target, Target, 0));
        Assert.Equal(IommuTestResult.WriteFailed, Run(1ul << 45, Target, 4));
        Assert.Equal(IommuTestResult.ReadFailed, Run(Target, 1ul << 45, 4));
        Assert.Equal(IommuTestResult.Mismatch, Run(Target, Target + 8, 8));
        Assert.Equal(IommuTestResult.Success, Run(Target, Target, 4, attributes: 0b1001));
        Assert.Equal(IommuTestResult.BadAttributes, Run(Target, Target, 4, attributes: 0b1000));
        Assert.Equal(IommuTestResult.BadAttributes, Run(Target, Target, 4, attributes: 0b1011));
        Assert.Equal(IommuTestResult.Success, Run(Target, Target, 4, attributes: 0b0011));
        Assert.Equal(IommuTestResult.NotArmed, Trigger());
        Write(0x14, 1);
        Assert.Equal(IommuTestResult.Armed, Result);
        Write(0x14, 0);
        Assert.Equal(IommuTestResult.Idle, Result);
        Assert.Equal(IommuTestResult.NotArmed, Trigger());
    }

    [Fact]
    public void Through_the_unit_it_finds_its_pattern_where_the_tables_lead()
    {
        TableWriter tables = _world.EnableTranslation();

        // The same tables serve both devices.
        (ulong low, ulong high) = (tables.Get(0x10_1000 + (16 * 0x20)), tables.Get(0x10_1000 + (16 * 0x20) + 8));
        tables.Put(0x10_1000 + (16 * 0x28), low);
        tables.Put(0x10_1000 + (16 * 0x28) + 8, high);
        EduWorld.Map(tables, 0x7000, Target + 4096);
        Assert.Equal(IommuTestResult.Success, Run(0x7010, Target + 4096 + 16, 64));
        Assert.Equal(IommuTestResult.WriteFailed, Run(0x8000, Target, 4));
        Assert.Equal(new byte[4], _world.Memory(Target, 4));
    }

    [Fact]
    public void Registers_hold_what_was_written_and_take_doublewords_alone()
    {
        foreach (ulong offset in (ulong[])[0x04, 0x08, 0x0C, 0x10, 0x18, 0x1C, 0x20])
        {
            Write(offset, 0xA1B2_C3D4);
            Assert.Equal(0xA1B2_C3D4ul, _world.Machine.Load(_base + offset, 4));
            _world.Machine.Store(_base + offset, 2, 0);
            Assert.Equal(0ul, _world.Machine.Load(_base + offset, 2));
            Assert.Equal(0xA1B2_C3D4ul, _world.Machine.Load(_base + offset, 4));
        }

        _world.Machine.Store(_base + 0x1C, 8, 0x1111_2222_3333_4444);
        Assert.Equal(0x1111_2222_3333_4444ul, _world.Machine.Load(_base + 0x1C, 8));
    }

    private IommuTestResult Result => (IommuTestResult)_world.Machine.Load(_base + 0x10, 4);

    private void Write(ulong offset, uint value) => _world.Machine.Store(_base + offset, 4, value);

    private IommuTestResult Trigger()
    {
        Assert.Equal(0ul, _world.Machine.Load(_base, 4));
        return Result;
    }

    private IommuTestResult Run(ulong device, ulong memory, uint length, uint attributes = 2)
    {
        Write(0x04, (uint)device);
        Write(0x08, (uint)(device >> 32));
        Write(0x1C, (uint)memory);
        Write(0x20, (uint)(memory >> 32));
        Write(0x0C, length);
        Write(0x18, attributes);
        Write(0x14, 1);
        return Trigger();
    }
}
