using Dma.Machine;

namespace Dma.Hal;

/// <summary>The MSI capability of a function, as software turns it on and off (PCI Local Bus 3.0, 6.8.1).</summary>
public sealed class PciMsi
{
    private const int Control = 2;
    private const int Address = 4;
    private const int UpperAddress = 8;
    private const int Data = 8;
    private const int Data64 = 12;
    private const ushort Enable = 1 << 0;
    private const ushort VectorsEnabled = 7 << 4;
    private const ushort Is64Bit = 1 << 7;
    private const ushort HasMask = 1 << 8;

    private readonly IConfigurationAccess _configuration;
    private readonly int _capability;

    private PciMsi(IConfigurationAccess configuration, int capability, ushort control)
    {
        (_configuration, _capability) = (configuration, capability);
        VectorCount = 1 << ((control >> 1) & 7);
        CanMask = (control & HasMask) != 0;
        DataAt = capability + ((control & Is64Bit) != 0 ? Data64 : Data);
    }

    /// <summary>How many vectors the function would like: a power of two, 32 at most where it keeps to the standard.</summary>
    public int VectorCount { get; }

    /// <summary>Whether its vectors can be masked.</summary>
    public bool CanMask { get; }

    // Where the data is says whether there is an upper half of the address, and the mask is behind it.
    private int DataAt { get; }

    private bool HasUpperAddress => DataAt == _capability + Data64;

    /// <summary>The capability of a function.</summary>
    /// <param name="configuration">Its configuration space.</param>
    /// <param name="location">Where it is, for messages.</param>
    /// <param name="capabilities">Its capabilities.</param>
    /// <returns>The capability, or null where it has none.</returns>
    /// <exception cref="DeviceException">The capability goes on beyond the first 256 bytes.</exception>
    public static PciMsi? TryFind(IConfigurationAccess configuration, SourceId location, IReadOnlyList<(PciCapabilityId Id, int Offset)> capabilities)
    {
        int at = capabilities.FirstOrDefault(static capability => capability.Id == PciCapabilityId.Msi).Offset;
        if (at == 0)
            return null;
        ushort control = configuration.Read16(at + Control);
        PciCapabilityList.CheckRoom(location, PciCapabilityId.Msi, at, 10 + ((control & Is64Bit) != 0 ? 4 : 0) + ((control & HasMask) != 0 ? 10 : 0));
        return new(configuration, at, control);
    }

    /// <summary>Sends a message from now on, unmasked.</summary>
    /// <param name="message">What is sent, and where to.</param>
    /// <param name="allVectors">Whether all vectors are on, the number of each added to the data; otherwise there is one, whatever the function could have.</param>
    public void TurnOn(MessageInterrupt message, bool allVectors = false)
    {
        // Off while address and data change.
        ushort control = (ushort)(_configuration.Read16(_capability + Control) & ~(Enable | VectorsEnabled));
        _configuration.Write16(_capability + Control, control);
        _configuration.Write32(_capability + Address, (uint)message.Address);
        if (HasUpperAddress)
            _configuration.Write32(_capability + UpperAddress, (uint)(message.Address >> 32));
        _configuration.Write16(DataAt, (ushort)message.Data);
        if (CanMask)
            _configuration.Write32(DataAt + 4, 0);
        int vectors = allVectors ? ((control >> 1) & 7) << 4 : 0;
        _configuration.Write16(_capability + Control, (ushort)(control | vectors | Enable));
    }

    /// <summary>Sends no more messages.</summary>
    public void TurnOff() =>
        _configuration.Write16(_capability + Control, (ushort)(_configuration.Read16(_capability + Control) & ~Enable));

    /// <summary>Holds the message of the first vector back, or lets it go: what came meanwhile is sent then. Nothing happens where it cannot be masked.</summary>
    public void Mask(bool on)
    {
        if (CanMask)
            _configuration.Write32(DataAt + 4, on ? 1u : 0);
    }
}
