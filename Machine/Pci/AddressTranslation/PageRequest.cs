namespace Dma.Machine;

/// <summary>A device asks the system to make a page available (PCI Express, page request interface, page request message).</summary>
/// <param name="Address">The page, a multiple of 4096, in the device's own address space.</param>
/// <param name="Group">The group that the request belongs to, 0 to 511, as the device numbers them.</param>
/// <param name="IsLast">The group ends with it, and is answered (L).</param>
/// <param name="Read">The device wants to read (R).</param>
/// <param name="Write">The device wants to write (W); a last request that wants neither marks the end of a PASID's requests (stop marker).</param>
/// <param name="Attributes">Whose page it is: the PASID, with the privilege and execute rights that are wanted.</param>
public readonly record struct PageRequest(Iova Address, int Group, bool IsLast, bool Read, bool Write, DmaAttributes Attributes = default);
